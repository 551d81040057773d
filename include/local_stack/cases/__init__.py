"""`make case`: SQL cases run through the platform as a user would run them, in four deliveries."""
