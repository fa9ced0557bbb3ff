"""What `make demo` runs last: XOR and the digits, trained."""

import train_digits
import train_xor

if __name__ == "__main__":
    train_xor.main()
    train_digits.main()
