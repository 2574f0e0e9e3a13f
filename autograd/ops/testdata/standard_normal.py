#!/usr/bin/env python3
"""The expected numbers of standard_normal_test.cc, in exact rational arithmetic with one rounding an operation.

Run:  python3 autograd/ops/testdata/standard_normal.py
"""

import math
from fractions import Fraction


def rounded(x):
    """The float32 nearest to the rational x, ties to even (normal numbers only)."""
    if x == 0:
        return Fraction(0)
    sign, x = (-1 if x < 0 else 1), abs(x)
    exponent = x.numerator.bit_length() - x.denominator.bit_length()
    if Fraction(2) ** exponent > x:
        exponent -= 1
    unit = Fraction(2) ** (exponent - 23)
    return sign * round(x / unit) * unit  # Python rounds halves to even


def square_root(x):
    """The float32 nearest to √x: an integer root of far more digits than 24 decides."""
    if x == 0:
        return Fraction(0)
    return rounded(Fraction(math.isqrt(x.numerator * 4**80 // x.denominator), 2**80))


def fma(a, b, c):
    return rounded(a * b + c)


def log(x):
    k, mantissa = 0, x
    root = Fraction(0x3504F3 + 2**23, 2**24)
    while mantissa < root:
        mantissa, k = mantissa * 2, k - 1
    f = mantissa - 1
    s = rounded(f / rounded(2 + f))
    square = rounded(s * s)
    p = rounded(Fraction(2, 9))
    for n in (7, 5, 3):
        p = fma(p, square, rounded(Fraction(2, n)))
    fraction = fma(rounded(s * square), p, 2 * s)
    return fma(Fraction(k), rounded(Fraction("0.693147180559945309417")), fraction)


def cosine_and_sine(word):
    quarter = (word + 2**29) // 2**30
    rest = word - quarter * 2**30
    x = rounded(rounded(Fraction(rest)) * rounded(Fraction("3.14159265358979323846") / 2**31))
    square = rounded(x * x)
    p = rounded(Fraction(1, 362880))
    for n in (-5040, 120, -6):
        p = fma(p, square, rounded(Fraction(1, n)))
    s = fma(rounded(x * square), p, x)
    q = rounded(Fraction(-1, 3628800))
    for n in (40320, -720, 24, -2):
        q = fma(q, square, rounded(Fraction(1, n)))
    c = fma(q, square, Fraction(1))
    return [(c, s), (-s, c), (-c, -s), (s, -c)][quarter % 4]


def pair(radius_word, angle_word):
    u = fma(rounded(Fraction(radius_word)), Fraction(1, 2**32), Fraction(1, 2**33))
    radius = square_root(-2 * log(u))
    return [rounded(radius * part) for part in cosine_and_sine(angle_word)]


def philox(seed, stream, counter):
    """Philox4x32-10 as in Salmon et al. 2011."""
    c = [counter & 0xFFFFFFFF, counter >> 32, stream & 0xFFFFFFFF, stream >> 32]
    k = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [q >> 32 ^ c[1] ^ k[0], q & 0xFFFFFFFF, p >> 32 ^ c[3] ^ k[1], p & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def main():
    for draw in range(6):
        x, y, z, w = philox(11, 3, draw)
        print(", ".join(float(number).hex() for number in pair(x, y) + pair(z, w)) + ",")


if __name__ == "__main__":
    main()
