"""The process that the engine starts as the component package's host; what it serves is in `package.provider`."""

from package.provider import main

main()
