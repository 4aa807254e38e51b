"""What is fast and what a request costs, measured against the local stack: `make bench`."""
