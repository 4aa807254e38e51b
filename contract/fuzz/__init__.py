"""`make fuzz`: Schemathesis asks the local stack all that openapi.yaml allows, and what it does not."""
