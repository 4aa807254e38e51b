"""`make fuzz`: Schemathesis asks the local stack what openapi.yaml allows, and what not."""
