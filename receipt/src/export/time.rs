//! Seconds since 1970 as date and time, without a clock.

/// 9999-12-31T23:59:59Z; RFC 3339 has no later year.
const LATEST: u64 = 253_402_300_799;
const DAY: u64 = 86_400;

/// `2026-01-01T00:00:05` and the zone as it is given (`Z` or `+00:00`); nothing after the year 9999.
pub(super) fn instant(seconds: u64, zone: &str) -> Option<String> {
    if seconds > LATEST {
        return None;
    }
    let (year, month, day) = date(seconds / DAY);
    let rest = seconds % DAY;
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}"))
}

/// The day of the Gregorian calendar with this number since 1970. Years are counted from March, so that the leap day is a
/// year's last one.
fn date(days: u64) -> (u64, u64, u64) {
    // 719_468: days from 0000-03-01 to 1970-01-01; 146_097: days in 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March have 31 30 31 30 31 days in turn: 153 in five.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (68_169_600, "1972-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_767_225_605, "2026-01-01T00:00:05Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LATEST, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(instant(seconds, "Z").as_deref(), Some(text));
        }
        assert_eq!(instant(LATEST + 1, "Z"), None);
        assert_eq!(instant(u64::MAX, "Z"), None);
    }

    #[test]
    fn days_follow_each_other() {
        let mut last = date(0);
        for day in 1..150_000 {
            let next = date(day);
            assert!(next > last && (1..=12).contains(&next.1) && (1..=31).contains(&next.2), "day {day}");
            assert!(next.2 == last.2 + 1 || next.2 == 1, "day {day}");
            last = next;
        }
    }
}
