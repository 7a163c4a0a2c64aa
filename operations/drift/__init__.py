"""`ringwall drift`: what is deployed compared with the plan, at the engine, Kong, the issuers, the guard and the server."""
