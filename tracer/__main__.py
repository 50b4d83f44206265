"""`python -m tracer`, and the console script."""

from tracer.cli.main import main

if __name__ == "__main__":
    main()
