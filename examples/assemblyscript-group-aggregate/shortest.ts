//! The shortest digits of a float that read back as the same bits, and of those the nearest (Steele and White).
//
// The language's own `toString` (Grisu2) reads back too, but is at times longer or less near, and its bytes would differ
// from those of the other languages.

/** Enough for 2^1024, with room for the factors below; 32 bits in each word, the lowest first. */
const WORDS = 40;

class Big {
  private words: StaticArray<u64> = new StaticArray<u64>(WORDS);

  static of(number: u64): Big {
    const big = new Big();
    big.words[0] = number & 0xffffffff;
    big.words[1] = number >> 32;
    return big;
  }

  times(factor: u64): void {
    let carry: u64 = 0;
    for (let i = 0; i < WORDS; i++) {
      const product = this.words[i] * factor + carry;
      this.words[i] = product & 0xffffffff;
      carry = product >> 32;
    }
  }

  doubled(times: i32): void {
    for (; times > 30; times -= 30) this.times(1 << 30);
    this.times(1 << times);
  }

  subtract(other: Big): void {
    let borrow: u64 = 0;
    for (let i = 0; i < WORDS; i++) {
      const difference = this.words[i] - other.words[i] - borrow;
      this.words[i] = difference & 0xffffffff;
      borrow = difference >> 63;
    }
  }

  add(other: Big): void {
    let carry: u64 = 0;
    for (let i = 0; i < WORDS; i++) {
      carry += this.words[i] + other.words[i];
      this.words[i] = carry & 0xffffffff;
      carry >>= 32;
    }
  }

  copy(): Big {
    const copy = new Big();
    copy.add(this);
    return copy;
  }

  /** Below 0, 0 or above 0, as `this + added` is below, at or above `other`. */
  compare(other: Big, added: Big): i32 {
    const sum = this.copy();
    sum.add(added);
    for (let i = WORDS - 1; i >= 0; i--) {
      if (sum.words[i] != other.words[i]) return sum.words[i] < other.words[i] ? -1 : 1;
    }
    return 0;
  }
}

export class Digits {
  /** Without leading or trailing zeros. */
  text: string = "";
  /** The power of ten of the first digit. */
  power: i32 = 0;
}

/** Of a finite number above zero. */
export function shortest(number: f64): Digits {
  const bits = reinterpret<u64>(number);
  const stored = <i32>(bits >> 52);
  const fraction = bits & 0x000fffffffffffff;
  const mantissa = stored == 0 ? fraction : fraction | 0x0010000000000000;
  const exponent = max(stored, 1) - 1075;
  // At a power of two the next lower float is half as far away, so everything is counted in halves of that.
  const narrow = fraction == 0 && stored > 1 ? 1 : 0;
  const rest = Big.of(mantissa);
  rest.doubled(max(exponent, 0) + 1 + narrow);
  const one = Big.of(1);
  one.doubled(max(-exponent, 0) + 1 + narrow);
  const above = Big.of(1);
  above.doubled(max(exponent, 0) + narrow);
  const below = Big.of(1);
  below.doubled(max(exponent, 0));
  // Halfway to a neighbour is read as the even one of the two.
  const even = i32((mantissa & 1) == 0);
  const digits = new Digits();
  const zero = new Big();

  // The first guess can be one off, either way; both are mended.
  let power = <i32>Math.floor(Math.log10(number));
  for (let i = power; i > 0; i--) one.times(10);
  for (let i = power; i < 0; i++) {
    rest.times(10);
    above.times(10);
    below.times(10);
  }
  while (rest.compare(one, above) < 1 - even) {
    rest.times(10);
    above.times(10);
    below.times(10);
    power--;
  }
  for (let ten = tenfold(one); rest.compare(ten, above) >= 1 - even; ten = tenfold(one)) {
    one.times(10);
    power++;
  }
  digits.power = power;
  while (true) {
    let digit = 0;
    for (; rest.compare(one, zero) >= 0; digit++) rest.subtract(one);
    const low = rest.compare(below, zero) < even;
    const high = rest.compare(one, above) > -even;
    if (low || high) {
      // Where both ends would do, the nearer one.
      const up = high && (!low || rest.compare(one, rest) >= 0);
      digits.text += (digit + i32(up)).toString();
      return digits;
    }
    digits.text += digit.toString();
    rest.times(10);
    above.times(10);
    below.times(10);
  }
}

function tenfold(number: Big): Big {
  const product = number.copy();
  product.times(10);
  return product;
}
