"""The command `shipper`: one file per command."""
