from kanae.cli import main

main()
