"""What `pulumi` runs for every stack of this project: `plan.program` declares it by its kind."""

from plan.program import main

main()
