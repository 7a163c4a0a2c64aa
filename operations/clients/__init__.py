"""What a person needs to connect a client to a server: settings to paste, and the client's own file written."""
