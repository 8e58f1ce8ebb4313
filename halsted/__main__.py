"""`python -m halsted` is the command line."""

from halsted.cli import main

if __name__ == "__main__":
    main()
