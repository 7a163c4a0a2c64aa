"""HTTP and stdio at both ends of the guard: the client's side and the server's."""
