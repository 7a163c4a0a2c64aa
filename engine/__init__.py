"""The Pulumi engine: finding and installing it, running it, what it reports and records, and repair after a killed run."""
