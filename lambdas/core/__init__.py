"""What every room shares: errors, HTTP, the table, AWS clients, ids, settings, logging."""
