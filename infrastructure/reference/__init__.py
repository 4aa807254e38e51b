"""The page on which the contract is read: one HTML file of the document, nothing from outside."""
