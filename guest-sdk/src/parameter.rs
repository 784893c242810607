//! Types that a parameter can have, each with the words for what a value looks like.

/// A type that a parameter can be read as. Implement it for an enumeration of your own to get the same errors.
pub trait Parameter: Sized {
    /// What a value looks like; it ends the sentence "expected …".
    fn expected() -> String;

    /// The value that `text` stands for, or nothing where it stands for none.
    fn read(text: &str) -> Option<Self>;
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl Parameter for $number {
            fn expected() -> String {
                format!("a whole number from {} to {}", <$number>::MIN, <$number>::MAX)
            }

            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )*};
}

whole_numbers!(u8, u16, u32, u64, usize, i8, i16, i32, i64);

/// `inf` and `nan` are words here: nobody means them as a parameter, and one of them would swallow every total.
impl Parameter for f64 {
    fn expected() -> String {
        "a number such as 0.5".to_owned()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }
}

impl Parameter for bool {
    fn expected() -> String {
        "`true` or `false`".to_owned()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Parameter for String {
    fn expected() -> String {
        "a text".to_owned()
    }

    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_what_is_none_is_not() {
        assert_eq!(
            (u8::read("255"), u8::read("256"), u8::read("-1"), u8::read("")),
            (Some(255), None, None, None)
        );
        assert_eq!((i64::read("-3"), i64::read("3.0")), (Some(-3), None));
        assert_eq!((f64::read("1e3"), f64::read("inf"), f64::read("NaN")), (Some(1000.0), None, None));
        assert_eq!((bool::read("true"), bool::read("yes")), (Some(true), None));
        assert_eq!(u8::expected(), "a whole number from 0 to 255");
    }
}
