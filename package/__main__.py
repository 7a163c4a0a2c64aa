from components.package import main

main()
