"""What every ring and command says to other machines with: one policy for all of it. Imports `model` alone."""
