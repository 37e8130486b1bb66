"""The durable buffer on local disk: what a logging call has returned from survives the process. See FORMAT.md."""
