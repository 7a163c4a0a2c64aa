"""HTTP and stdio at both ends of the guard: the client's requests and the requests to the server."""
