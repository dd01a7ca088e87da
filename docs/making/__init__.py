"""What makes the documentation site out of docs/, beside MkDocs: its pages from elsewhere, and what the code says."""
