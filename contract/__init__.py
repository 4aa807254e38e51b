"""What is published of the service: the document, its errors, examples and changes.

Nothing here is deployed; `python -m contract` writes it from the routes.
"""
