"""Log in to vendors' APIs, stay logged in, and send authenticated requests."""
