use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde::de::IgnoredAny;

use super::{Content, Entry, Node, Position, scalar};

/// More values than a file of manifests has.
const MOST_NODES: usize = 2_000_000;
/// More than aliases bring into any manifest: an alias of aliases would fill the memory.
const MOST_COPIES: usize = 200_000;

/// Text that is not YAML, or not what JSON can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Where.
    pub at: Position,
    /// What is wrong.
    pub why: String,
}

/// Reads all documents of `text`. Those before a mistake are still told, and so is the mistake.
pub fn parse(text: &str) -> (Vec<Node>, Option<Broken>) {
    let text = &*as_one_stream(text);
    let mut options = Options::default();
    // As libyaml and Go read it.
    options.block_scalar_eof_without_line_feed = true;
    options.emit_comments = false;
    let mut documents = Vec::new();
    let mut builder = Builder {
        events: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        nodes: 0,
        copies: 0,
    };
    loop {
        match builder.document() {
            Ok(Some(node)) => documents.push(node),
            Ok(None) => return (documents, None),
            Err(broken) => return (documents, Some(broken)),
        }
    }
}

/// As kubectl takes it: files that were put one behind the other bring their BOMs along, and JSON objects need nothing
/// between them. Lines stay what they are.
fn as_one_stream(text: &str) -> Cow<'_, str> {
    if text.trim_start().starts_with('{') {
        return json_documents(text);
    }
    if !text.contains("\n\u{feff}") {
        return Cow::Borrowed(text);
    }
    let mut begins = true;
    let lines = text.split_inclusive('\n').map(|line| {
        let line = if begins {
            line.trim_start_matches('\u{feff}')
        } else {
            line
        };
        begins = line.starts_with("---");
        line
    });
    Cow::Owned(lines.collect())
}

/// JSON objects one behind the other, each as a document. What is no such stream is left to the parser of YAML.
fn json_documents(text: &str) -> Cow<'_, str> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let mut ends = Vec::new();
    while let Some(value) = values.next() {
        if value.is_err() {
            return Cow::Borrowed(text);
        }
        ends.push(values.byte_offset());
    }
    if ends.len() < 2 {
        return Cow::Borrowed(text);
    }
    let mut stream = String::with_capacity(text.len() + ends.len() * 5);
    let mut begin = 0;
    for end in ends {
        let value = text.get(begin..end).unwrap_or_default();
        let space = value.len() - value.trim_start().len();
        let (space, value) = value.split_at(space);
        stream.push_str(space);
        if begin > 0 {
            stream.push_str(if space.contains('\n') { "--- " } else { "\n--- " });
        }
        stream.push_str(value);
        begin = end;
    }
    stream.push('\n');
    Cow::Owned(stream)
}

struct Builder<'t> {
    events: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    copies: usize,
}

fn position(marker: &Marker) -> Position {
    Position {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

impl From<ScanError> for Broken {
    fn from(error: ScanError) -> Self {
        Self {
            at: position(error.marker()),
            why: error.info(),
        }
    }
}

impl<'t> Builder<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Broken> {
        Ok(self.events.next().transpose()?)
    }

    /// The next document that is not empty.
    fn document(&mut self) -> Result<Option<Node>, Broken> {
        while let Some((event, span)) = self.next()? {
            match event {
                Event::DocumentStart(..) => self.anchors.clear(),
                Event::StreamStart | Event::DocumentEnd => {}
                Event::StreamEnd => return Ok(None),
                node => {
                    let node = self.node(node, span)?;
                    if !matches!(node.content, Content::Null) {
                        return Ok(Some(node));
                    }
                }
            }
        }
        Ok(None)
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Node, Broken> {
        let at = position(&span.start);
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(broken(at, "there are too many values in this file"));
        }
        let (content, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (value(&text, style, tag.as_deref(), at)?, anchor),
            Event::SequenceStart(_, anchor, _) => (self.list()?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map()?, anchor),
            Event::Alias(anchor) => return self.alias(anchor, at),
            _ => return Err(broken(at, "a value was expected")),
        };
        let node = Node { at, content };
        if anchor != 0 {
            self.copied(&node, at)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<Node, Broken> {
        // An alias within its own anchor has no value yet.
        let node = self.anchors.get(&anchor).cloned();
        let node = node.ok_or_else(|| broken(at, "the alias refers to itself"))?;
        self.copied(&node, at)?;
        Ok(node)
    }

    /// Counts a copy, whether it is kept for an anchor or put where an alias stands.
    fn copied(&mut self, node: &Node, at: Position) -> Result<(), Broken> {
        self.copies += size(node);
        if self.copies > MOST_COPIES {
            return Err(broken(at, "there are too many values in this file"));
        }
        Ok(())
    }

    fn list(&mut self) -> Result<Content, Broken> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::SequenceEnd {
                break;
            }
            items.push(self.node(event, span)?);
        }
        Ok(Content::List(items))
    }

    fn map(&mut self) -> Result<Content, Broken> {
        let mut entries = Vec::new();
        let mut merged = Vec::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::MappingEnd {
                break;
            }
            let at = position(&span.start);
            let merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let name = key(self.node(event, span)?)?;
            let Some((event, span)) = self.next()? else { break };
            let value = self.node(event, span)?;
            if merge {
                merged.extend(merge_sources(value)?);
            } else {
                entries.push(Entry { at, key: name, value });
            }
        }
        for entry in merged.into_iter().flat_map(|node| node.entries().to_vec()) {
            if !entries.iter().any(|own| own.key == entry.key) {
                entries.push(entry);
            }
        }
        Ok(Content::Map(entries))
    }
}

/// What `<<` brings: a map, or several of which the first counts.
fn merge_sources(value: Node) -> Result<Vec<Node>, Broken> {
    let at = value.at;
    let sources = match value.content {
        Content::List(items) => items,
        content => vec![Node { at, content }],
    };
    match sources.iter().find(|node| !matches!(node.content, Content::Map(_))) {
        Some(other) => Err(broken(other.at, "<< needs a map")),
        None => Ok(sources),
    }
}

fn key(node: Node) -> Result<String, Broken> {
    match node.content {
        Content::Text(text) => Ok(text),
        Content::Bool(bool) => Ok(bool.to_string()),
        Content::Number(number) => Ok(number.to_string()),
        Content::Null => Ok("null".to_owned()),
        Content::List(_) | Content::Map(_) => Err(broken(node.at, "a key must be a name")),
    }
}

fn size(node: &Node) -> usize {
    let within = node
        .items()
        .iter()
        .chain(node.entries().iter().map(|entry| &entry.value));
    1 + within.map(size).sum::<usize>()
}

fn value(text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Position) -> Result<Content, Broken> {
    let plain = match tag.and_then(Tag::core_suffix) {
        Some("str") => false,
        Some(_) => true,
        None => style == ScalarStyle::Plain && tag.is_none(),
    };
    if plain {
        return scalar::plain(text).map_err(|_| broken(at, "JSON has no such number: quote it if it is a text"));
    }
    if tag.is_some_and(|tag| tag.suffix() == "binary") {
        let bytes = STANDARD.decode(text.split_whitespace().collect::<String>()).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        return text
            .map(Content::Text)
            .ok_or_else(|| broken(at, "!!binary needs the base64 of a text"));
    }
    Ok(Content::Text(text.to_owned()))
}

fn broken(at: Position, why: &str) -> Broken {
    Broken {
        at,
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn values(text: &str) -> Vec<Value> {
        let (documents, broken) = parse(text);
        assert_eq!(broken, None, "{text}");
        documents.iter().map(Node::to_json).collect()
    }

    fn mistake(text: &str) -> Broken {
        parse(text).1.unwrap_or_else(|| panic!("{text} is not sound"))
    }

    #[test]
    fn documents_come_one_by_one_and_empty_ones_are_none() {
        assert_eq!(
            values("---\n# nothing\n---\na: 1\n---\n---\nb: [x, 'yes']\n...\n"),
            [json!({ "a": 1 }), json!({ "b": ["x", "yes"] })]
        );
        assert_eq!(
            values("{\"json\": {\"is\": \"yaml\"}}"),
            [json!({ "json": { "is": "yaml" } })]
        );
        assert_eq!(values(""), Vec::<Value>::new());
    }

    #[test]
    fn files_that_were_put_one_behind_the_other_are_one_stream() {
        let both = [json!({ "a": 1 }), json!({ "b": 2 })];
        assert_eq!(values("a: 1\n---\n\u{feff}b: 2\n"), both);
        for text in [
            "{\"a\": 1}\n{\"b\": 2}\n",
            "{\"a\": 1}{\"b\": 2}",
            "{\n\"a\": 1\n}\n\n{\n\"b\": 2 }",
        ] {
            assert_eq!(values(text), both, "{text}");
        }
        let (documents, _) = parse("{\n\"a\": 1\n}\n{\n\"b\": 2 }");
        let lines: Vec<usize> = documents.iter().map(|document| document.at.line).collect();
        assert_eq!(lines, [1, 4], "places stay what they are");
        assert!(parse("{\"a\": 1}\n{\"b\": ").1.is_some());
    }

    #[test]
    fn a_long_stream_of_small_documents_is_no_bomb() {
        let documents = "kind: ConfigMap\nmetadata: {name: a, namespace: b}\n---\n".repeat(40_000);
        let (read, broken) = parse(&documents);
        assert_eq!((read.len(), broken), (40_000, None));
    }

    #[test]
    fn anchors_around_many_values_are_a_bomb_too() {
        let many = "0,".repeat(50_000);
        let anchors = |count: usize| {
            let open: String = (0..count).map(|n| format!("&a{n} [")).collect();
            parse(&format!("{open}{many}{}", "]".repeat(count))).1
        };
        assert_eq!(anchors(2), None);
        assert!(anchors(10).is_some());
    }

    #[test]
    fn every_value_knows_its_place() {
        let (documents, _) = parse("a: 1\n---\nspec:\n  http:\n    url: x\n  list:\n  - one\n  - b: [1, two]\n");
        let second = &documents[1];
        let at = |node: &Node| (node.at.line, node.at.column);
        assert_eq!(at(second.find(&["spec", "http", "url"]).unwrap()), (5, 10));
        let http = second.get("spec").unwrap().entry("http").unwrap();
        assert_eq!((http.at.line, http.at.column), (4, 3));
        let list = second.find(&["spec", "list"]).unwrap().items();
        assert_eq!(at(&list[0]), (7, 5));
        assert_eq!(at(&list[1].get("b").unwrap().items()[1]), (8, 12));
    }

    #[test]
    fn anchors_merges_tags_and_keys_are_understood() {
        assert_eq!(
            values("base: &b {p: 1, q: 2}\nsame: *b\nmore: {<<: *b, q: 3}\nboth: {<<: [*b, {r: 4}]}\n"),
            [json!({
                "base": { "p": 1, "q": 2 }, "same": { "p": 1, "q": 2 },
                "more": { "p": 1, "q": 3 }, "both": { "p": 1, "q": 2, "r": 4 },
            })]
        );
        assert_eq!(
            values("a: !!str 1\nb: !!int '2'\nc: !!binary QWJj\nd: !own 3\n1: x\ny: x\n"),
            [json!({ "a": "1", "b": 2, "c": "Abc", "d": "3", "1": "x", "true": "x" })]
        );
        assert_eq!(values("a: |\n  text"), [json!({ "a": "text" })]);
    }

    #[test]
    fn a_mistake_is_told_with_its_place_and_what_went_before() {
        let (documents, broken) = parse("a: 1\n---\nb: [1\nc: 2\n");
        assert_eq!((documents.len(), broken.is_some()), (1, true));
        for (text, line) in [
            ("a: b: c\n", 1),
            ("a:\n\t- x\n", 2),
            ("a: *none\n", 1),
            ("a: &a [*a]\n", 1),
            ("x: .nan\n", 1),
            ("[a]: x\n", 1),
            ("a: {<<: 1}\n", 1),
            ("a: !!binary '*'\n", 1),
        ] {
            let broken = mistake(text);
            assert_eq!(broken.at.line, line, "{text}{broken:?}");
            assert!(!broken.why.is_empty(), "{text}");
        }
    }

    #[test]
    fn an_alias_of_aliases_does_not_fill_the_memory() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let before = format!("*a{}, ", n - 1).repeat(10);
            text.push_str(&format!("a{n}: &a{n} [{before}]\n"));
        }
        assert!(mistake(&text).why.contains("too many"));
        assert!(!mistake(&"[".repeat(100_000)).why.is_empty());
        assert!(
            !mistake(&(0..2000).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>())
                .why
                .is_empty()
        );
    }

    /// The last one counts, and whoever wants can see them all.
    #[test]
    fn a_key_that_is_given_twice_is_kept_twice() {
        let (documents, _) = parse("a: 1\na: 2\n");
        assert_eq!(documents[0].entries().len(), 2);
        assert_eq!(documents[0].to_json(), json!({ "a": 2 }));
    }
}
