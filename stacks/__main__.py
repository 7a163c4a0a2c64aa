from plan.program import main

main()
