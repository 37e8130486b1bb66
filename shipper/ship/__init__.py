"""From the spool to where records go: read, send, acknowledge; in this process or in `shipper agent`."""
