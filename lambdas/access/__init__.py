"""Who may call: bearer tokens that belong to one workspace and have a role and an expiry."""
