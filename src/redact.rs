//! URLs as they may be shown: what gives access stands before the host, in the path or in the query, and errors are logged
//! and kept.

/// A URL in its parts, as they are written.
struct Parts<'a> {
    /// With `://`; empty without one.
    scheme: &'a str,
    /// Name and password, with `@`; empty without them.
    user: &'a str,
    /// Host and port.
    host: &'a str,
    /// Path, query and fragment.
    below: &'a str,
}

fn parts(url: &str) -> Parts<'_> {
    let is_scheme =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let (scheme, rest) =
        url.split_at(url.find("://").filter(|at| is_scheme(&url[..*at])).map_or(0, |at| at + 3));
    let (authority, below) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, host) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    Parts { scheme, user, host, below }
}

/// Scheme, host and port.
pub(crate) fn origin(url: &str) -> String {
    let Parts { scheme, host, .. } = parts(url);
    format!("{scheme}{host}")
}

/// Whether a URL says more than its origin.
pub(crate) fn says_more(url: &str) -> bool {
    let Parts { user, below, .. } = parts(url);
    !user.is_empty() || !matches!(below, "" | "/")
}

/// A URL without name, password, query and fragment; the path stays, because it says what was asked for.
pub(crate) fn without_secrets(url: &str) -> String {
    let path = parts(url).below.split(['?', '#']).next().unwrap_or_default();
    origin(url) + path
}

/// A text with its URLs cut down to their origins.
pub(crate) fn origins_in(text: &str) -> String {
    let (mut clean, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("://") {
        let end = rest[at + 3..].find([' ', ')', '"', ',']).map_or(rest.len(), |end| at + 3 + end);
        clean += &rest[..at];
        clean += &origin(&rest[at..end]);
        rest = &rest[end..];
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gives_access_is_cut_off() {
        for (url, at, more, shown) in [
            ("http://127.0.0.1:8545", "http://127.0.0.1:8545", false, "http://127.0.0.1:8545"),
            ("http://127.0.0.1:8545/", "http://127.0.0.1:8545", false, "http://127.0.0.1:8545/"),
            ("https://node.example/v3/k3y", "https://node.example", true, "https://node.example/v3/k3y"),
            ("https://me:p@w@h:1/a/b?sig=x#y", "https://h:1", true, "https://h:1/a/b"),
            ("https://h?token=x", "https://h", true, "https://h"),
            ("https://h#t@k", "https://h", true, "https://h"),
            ("https://me@h", "https://h", true, "https://h"),
            ("h/p?key=k&u=http://y", "h", true, "h/p"),
            ("no URL", "no URL", false, "no URL"),
        ] {
            assert_eq!((origin(url).as_str(), says_more(url)), (at, more), "{url}");
            assert_eq!(without_secrets(url), shown, "{url}");
        }
    }

    #[test]
    fn in_a_text_the_rest_stays() {
        let text =
            "error sending request for url (https://me:pw@node.example:8545/v3/k3y?a=b): refused, http://x";
        let clean = "error sending request for url (https://node.example:8545): refused, http://x";
        assert_eq!(origins_in(text), clean);
        assert_eq!(origins_in("no URL"), "no URL");
    }
}
