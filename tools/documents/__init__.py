"""Tables of the documents, from the kept results."""
