"""python -m tsforge"""

from tsforge.cli.main import main

if __name__ == "__main__":
    main()
