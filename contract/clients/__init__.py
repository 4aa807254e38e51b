"""`make client`: clients in Python and TypeScript, generated from openapi.yaml."""
