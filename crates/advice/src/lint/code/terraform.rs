use std::ops::Range;

use tree_sitter::{Node, Parser};

use super::kind::Kind;

/// A block of Terraform: `resource "a" "b" { … }`.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) kind: String,
    pub(super) labels: Vec<String>,
    pub(super) span: Range<usize>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) blocks: Vec<Block>,
}

#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) name: String,
    /// The expression.
    pub(super) value: Range<usize>,
    /// The strings in it.
    pub(super) strings: Vec<Value>,
}

/// A string's inside, or a document's.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) span: Range<usize>,
    pub(super) is_document: bool,
}

impl Block {
    /// Returns its attributes and those of the blocks in it.
    pub(super) fn attributes_within(&self) -> Vec<&Attribute> {
        let inner = self.blocks.iter().flat_map(Self::attributes_within);
        self.attributes.iter().chain(inner).collect()
    }

    /// Returns it and the blocks in it.
    pub(super) fn all(&self) -> Vec<&Self> {
        std::iter::once(self).chain(self.blocks.iter().flat_map(Self::all)).collect()
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn is_resource(&self, kind: &str) -> bool {
        self.kind == "resource" && self.labels.first().is_some_and(|label| label == kind)
    }
}

/// Reads the blocks of a file. Attributes that stand in no block are in one without a kind.
pub(super) fn blocks(kind: Kind, text: &str) -> Vec<Block> {
    if kind != Kind::Hcl {
        return Vec::new();
    }
    let mut parser = Parser::new();
    if parser.set_language(&tree_sitter_hcl::LANGUAGE.into()).is_err() {
        return Vec::new();
    }
    let Some(tree) = parser.parse(text, None) else { return Vec::new() };
    let mut file = Block { span: 0..text.len(), ..Block::default() };
    fill(&mut file, tree.root_node(), text, 0);
    let mut blocks = std::mem::take(&mut file.blocks);
    blocks.push(file);
    blocks
}

const DEEPEST: usize = 60;

fn fill(block: &mut Block, node: Node<'_>, text: &str, depth: usize) {
    if depth > DEEPEST {
        return;
    }
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        match child.kind() {
            "block" => {
                let mut inner = Block { span: child.byte_range(), ..Block::default() };
                head(&mut inner, child, text);
                fill(&mut inner, child, text, depth + 1);
                block.blocks.push(inner);
            }
            "attribute" => block.attributes.extend(attribute(child, text)),
            "body" | "config_file" | "ERROR" => fill(block, child, text, depth + 1),
            _ => {}
        }
    }
}

fn head(block: &mut Block, node: Node<'_>, text: &str) {
    let word =
        |node: Node<'_>| text.get(node.byte_range()).unwrap_or("").trim_matches('"').to_owned();
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        match child.kind() {
            "identifier" if block.kind.is_empty() => block.kind = word(child),
            "identifier" | "string_lit" => block.labels.push(word(child)),
            _ => {}
        }
    }
}

fn attribute(node: Node<'_>, text: &str) -> Option<Attribute> {
    let mut cursor = node.walk();
    let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
    let name = children.iter().find(|child| child.kind() == "identifier")?;
    let value = children.iter().find(|child| child.kind() == "expression")?;
    let mut strings = Vec::new();
    collect_strings(*value, &mut strings, 0);
    Some(Attribute {
        name: text.get(name.byte_range())?.to_owned(),
        value: value.byte_range(),
        strings,
    })
}

fn collect_strings(node: Node<'_>, strings: &mut Vec<Value>, depth: usize) {
    let span = node.byte_range();
    match node.kind() {
        "string_lit" | "quoted_template" => {
            strings.push(Value {
                span: span.start + 1..span.end.saturating_sub(1),
                is_document: false,
            });
        }
        "heredoc_template" => strings.push(Value { span: document(node), is_document: true }),
        _ if depth < DEEPEST => {
            let mut cursor = node.walk();
            for child in node.children(&mut cursor) {
                collect_strings(child, strings, depth + 1);
            }
        }
        _ => {}
    }
}

/// Returns a document without its marks.
fn document(node: Node<'_>) -> Range<usize> {
    let mut cursor = node.walk();
    let mut span = node.byte_range();
    let mut marks = 0;
    for child in node.children(&mut cursor) {
        if child.kind() == "heredoc_identifier" {
            if marks == 0 {
                span.start = child.end_byte();
            } else {
                span.end = child.start_byte();
            }
            marks += 1;
        }
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_labels_attributes_and_strings() {
        let text = "a = 1\nresource \"x\" \"y\" {\n  b = \"c ${d}\"\n  p \"q\" {\n    inline = [\"e\", <<EOT\nf\nEOT\n]\n  }\n}\n";
        let all = blocks(Kind::Hcl, text);
        let shown = |value: &Value| text.get(value.span.clone()).unwrap().trim().to_owned();
        assert!(all[0].is_resource("x"));
        assert_eq!(all[0].labels, ["x", "y"]);
        let strings = |block: &Block| -> Vec<String> {
            block.attributes_within().iter().flat_map(|one| one.strings.iter().map(shown)).collect()
        };
        assert_eq!(strings(&all[0]), ["c ${d}", "e", "f"]);
        assert_eq!(all[0].all().len(), 2);
        assert_eq!(all[1].attribute("a").and_then(|one| text.get(one.value.clone())), Some("1"));
        assert!(blocks(Kind::Python, text).is_empty());
    }
}
