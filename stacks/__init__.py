"""The Pulumi program of the project in this repository, and the folder of its stack files."""
