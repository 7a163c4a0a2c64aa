from package.provider import main

main()
