from fer_meta.cli import main

main()
