//! The part of TicketSQL and AssetSQL that is simulated: comparisons joined by AND.

use std::iter::Peekable;
use std::str::Chars;

/// One comparison as written; what its field means is for the search to say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Comparison {
    pub(super) field: String,
    pub(super) operator: Operator,
    pub(super) value: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operator {
    Is,
    IsNot,
    Like,
}

#[derive(Debug, Eq, PartialEq)]
enum Token {
    Quoted(String),
    Word(String),
    Operator(Operator),
}

/// Reads a query. The error is a message in the product's words.
pub(super) fn parse(query: &str) -> Result<Vec<Comparison>, String> {
    let refused = || format!("Wrong query, expecting a comparison in '{query}'");
    let mut tokens = tokens(query).ok_or_else(refused)?.into_iter();
    let mut comparisons = Vec::new();
    loop {
        let (Some(field), Some(Token::Operator(operator)), Some(value)) =
            (tokens.next(), tokens.next(), tokens.next())
        else {
            return Err(refused());
        };
        let (Token::Quoted(field) | Token::Word(field)) = field else { return Err(refused()) };
        let value = match value {
            Token::Quoted(value) => value,
            Token::Word(value) if value.parse::<u64>().is_ok() => value,
            Token::Word(_) | Token::Operator(_) => return Err(refused()),
        };
        comparisons.push(Comparison { field, operator, value });
        match tokens.next() {
            None => return Ok(comparisons),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("AND") => {}
            Some(Token::Word(_) | Token::Quoted(_) | Token::Operator(_)) => return Err(refused()),
        }
    }
}

/// The custom field that `CF.{Name}` names.
pub(super) fn custom_field(field: &str) -> Option<&str> {
    field.strip_prefix("CF.{")?.strip_suffix('}')
}

fn tokens(query: &str) -> Option<Vec<Token>> {
    let mut found = Vec::new();
    let mut rest = query.chars().peekable();
    while let Some(first) = rest.next() {
        match first {
            _ if first.is_whitespace() => {}
            '\'' => found.push(Token::Quoted(quoted(&mut rest)?)),
            '=' => found.push(Token::Operator(Operator::Is)),
            '!' if rest.next_if_eq(&'=').is_some() => found.push(Token::Operator(Operator::IsNot)),
            _ if first.is_alphanumeric() => {
                let word = word(first, &mut rest);
                let is_like = word.eq_ignore_ascii_case("LIKE");
                found.push(if is_like { Token::Operator(Operator::Like) } else { Token::Word(word) });
            }
            _ => return None,
        }
    }
    Some(found)
}

/// What stands before the closing quote; a backslash takes its meaning from the next character.
fn quoted(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut text = String::new();
    loop {
        match rest.next()? {
            '\'' => return Some(text),
            '\\' => text.push(rest.next()?),
            other => text.push(other),
        }
    }
}

fn word(first: char, rest: &mut Peekable<Chars<'_>>) -> String {
    let mut word = String::from(first);
    while let Some(next) = rest.next_if(|next| next.is_alphanumeric() || matches!(next, '.' | '_')) {
        word.push(next);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_joined_by_and_and_quotes_are_escaped_by_a_backslash() {
        let read = parse(r"Queue = 'It\'s \\ here' AND 'CF.{Azure Alert Id}' != 'a' and id = 7").unwrap();
        let comparison = |field: &str, operator, value: &str| Comparison {
            field: field.to_owned(),
            operator,
            value: value.to_owned(),
        };
        let expected = [
            comparison("Queue", Operator::Is, r"It's \ here"),
            comparison("CF.{Azure Alert Id}", Operator::IsNot, "a"),
            comparison("id", Operator::Is, "7"),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn everything_else_is_refused() {
        for query in ["", "Queue", "Queue = ", "Queue = 'a", "Queue = a", "Queue = 'a' OR id = 1", "(id = 1)"]
        {
            assert!(parse(query).is_err(), "{query}");
        }
        assert!(parse("Queue = 'O'Neill'").is_err());
    }
}
