//! Reads the JSON that brizo and the chain answer with. Numbers are kept as they are written.

/// More nesting than any answer has; deeper text would exhaust the stack.
const DEEPEST: usize = 64;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

impl Json {
    /// The whole of `text` as one value.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.space();
        if reader.at < text.len() { Err(reader.unexpected("the end")) } else { Ok(value) }
    }

    /// A field of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// A field that has to be there, as text; numbers count as text.
    pub(crate) fn text(&self, key: &str) -> Result<&str, String> {
        match self.get(key) {
            Some(Self::Text(text) | Self::Number(text)) => Ok(text),
            Some(other) => Err(format!("`{key}` should be a string, and is {other:?}")),
            None => Err(format!("`{key}` is missing in the answer")),
        }
    }

    /// A field that has to be there, as a list.
    pub(crate) fn list(&self, key: &str) -> Result<&[Self], String> {
        match self.get(key) {
            Some(Self::List(items)) => Ok(items),
            _ => Err(format!("`{key}` should be a list in the answer, and is not")),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    /// Steps over `token`, if it comes next.
    fn take(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn unexpected(&self, wanted: &str) -> String {
        format!("the answer is no JSON: {wanted} was expected at byte {}", self.at)
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        self.space();
        if depth > DEEPEST {
            return Err(self.unexpected("less nesting"));
        }
        match self.peek() {
            Some('{') => self.map(depth),
            Some('[') => self.list(depth),
            Some('"') => self.string().map(Json::Text),
            Some('-' | '0'..='9') => Ok(self.number()),
            _ if self.take("true") => Ok(Json::Bool(true)),
            _ if self.take("false") => Ok(Json::Bool(false)),
            _ if self.take("null") => Ok(Json::Null),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn number(&mut self) -> Json {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && !matches!(c, '-' | '+' | '.' | 'e' | 'E'))
            .unwrap_or(rest.len());
        self.at += end;
        Json::Number(rest.get(..end).unwrap_or_default().to_owned())
    }

    fn map(&mut self, depth: usize) -> Result<Json, String> {
        let mut fields = Vec::new();
        self.take("{");
        if self.take("}") {
            return Ok(Json::Map(fields));
        }
        loop {
            self.space();
            let key = self.string()?;
            if !self.take(":") {
                return Err(self.unexpected("`:`"));
            }
            fields.push((key, self.value(depth + 1)?));
            if self.take("}") {
                return Ok(Json::Map(fields));
            }
            if !self.take(",") {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json, String> {
        let mut items = Vec::new();
        self.take("[");
        if self.take("]") {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take("]") {
                return Ok(Json::List(items));
            }
            if !self.take(",") {
                return Err(self.unexpected("`,` or `]`"));
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        if self.next() != Some('"') {
            return Err(self.unexpected("a string"));
        }
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(c) => text.push(c),
                None => return Err(self.unexpected("the end of a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        Ok(match self.next() {
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => self.unicode()?,
            _ => return Err(self.unexpected("an escape")),
        })
    }

    /// `\u` and four digits; what lies above the first 65,536 characters takes two of them.
    fn unicode(&mut self) -> Result<char, String> {
        let mut units = vec![self.unit()?];
        if units.iter().all(|unit| (0xd800..0xdc00).contains(unit)) && self.rest().starts_with("\\u") {
            self.at += 2;
            units.push(self.unit()?);
        }
        match char::decode_utf16(units).next() {
            Some(Ok(c)) => Ok(c),
            _ => Err(self.unexpected("a pair of surrogates")),
        }
    }

    fn unit(&mut self) -> Result<u16, String> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.unexpected("four hexadecimal digits"))?;
        self.at += 4;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let text = r#" {"receiptHash": "0xab", "match": true, "nothing": null, "outputs": [{"size": "12"}, {"size": 3e2}] }"#;
        let answer = Json::parse(text).unwrap();
        assert_eq!(answer.text("receiptHash").unwrap(), "0xab");
        assert_eq!(answer.get("match"), Some(&Json::Bool(true)));
        assert_eq!(answer.get("nothing"), Some(&Json::Null));
        let outputs = answer.list("outputs").unwrap();
        let sizes: Vec<&str> = outputs.iter().map(|output| output.text("size").unwrap()).collect();
        assert_eq!(sizes, ["12", "3e2"]);
    }

    #[test]
    fn escapes_are_undone() {
        let text = r#""a\"\\\/\n\u00e9\ud83d\ude00é""#;
        assert_eq!(Json::parse(text), Ok(Json::Text("a\"\\/\n\u{e9}\u{1f600}\u{e9}".to_owned())));
    }

    #[test]
    fn empty_things_are_things() {
        assert_eq!(Json::parse("[ ]"), Ok(Json::List(vec![])));
        assert_eq!(Json::parse("{}"), Ok(Json::Map(vec![])));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in
            ["", "{", "{\"a\"}", "[1,]", "[1 2]", "\"open", "tru", "{} {}", r#""\ud800""#, r#""\u00+1""#]
        {
            assert!(Json::parse(text).is_err(), "{text}");
        }
        assert!(Json::parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn what_is_missing_is_named() {
        let refused = Json::parse("{}").unwrap().text("did").unwrap_err();
        assert!(refused.contains("`did`"), "{refused}");
    }
}
