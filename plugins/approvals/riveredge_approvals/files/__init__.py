"""Files of comments and forms: handed in before they are used, read by whoever may see the request."""
