"""`python -m shipper` is the command `shipper`."""

from shipper.cli.main import main

if __name__ == "__main__":
    main()
