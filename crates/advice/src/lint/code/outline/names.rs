use tree_sitter::Node;

const LONGEST: usize = 30;

/// Returns a node's text.
pub(super) fn text_of<'a>(node: Node<'_>, text: &'a str) -> &'a str {
    text.get(node.byte_range()).unwrap_or("")
}

/// Returns the node of the first of these fields that it has.
pub(super) fn field<'t>(node: Node<'t>, names: &[&str]) -> Option<Node<'t>> {
    names.iter().find_map(|name| node.child_by_field_name(name))
}

/// Returns the name that an expression is, with what it is the name of, or nothing if it is no name.
pub(super) fn path(node: Node<'_>, text: &str) -> Option<String> {
    part(node, text, 0)
}

fn part(node: Node<'_>, text: &str, depth: usize) -> Option<String> {
    if depth > LONGEST {
        return None;
    }
    let inner = |node: Node<'_>| part(node, text, depth + 1);
    match node.kind() {
        "identifier"
        | "type_identifier"
        | "field_identifier"
        | "property_identifier"
        | "this"
        | "self"
        | "super"
        | "package_identifier"
        | "shorthand_property_identifier"
        | "scoped_type_identifier"
        | "shorthand_field_identifier"
        | "crate" => Some(text_of(node, text).to_owned()),
        "attribute"
        | "member_expression"
        | "selector_expression"
        | "field_access"
        | "field_expression"
        | "scoped_identifier" => {
            let of = field(node, &["object", "operand", "value", "argument", "path"]);
            let name = field(node, &["attribute", "property", "field", "name"])?;
            let name = text_of(name, text);
            Some(match of {
                Some(of) => format!("{}.{name}", inner(of)?),
                None => name.to_owned(),
            })
        }
        "subscript" | "subscript_expression" | "index_expression" | "array_access" => {
            let of = field(node, &["value", "object", "operand", "array"])
                .or_else(|| node.named_child(0))?;
            Some(format!("{}[]", inner(of)?))
        }
        "call"
        | "call_expression"
        | "method_invocation"
        | "new_expression"
        | "object_creation_expression" => Some(format!("{}()", callee(node, text)?)),
        "await"
        | "await_expression"
        | "parenthesized_expression"
        | "unary_expression"
        | "try_expression"
        | "reference_expression"
        | "non_null_expression" => inner(last_named(node)?),
        "cast_expression" => inner(node.child_by_field_name("value")?),
        "generic_type"
        | "generic_function"
        | "as_expression"
        | "satisfies_expression"
        | "type_assertion_expression"
        | "type_cast_expression" => inner(node.named_child(0)?),
        _ => None,
    }
}

fn last_named(node: Node<'_>) -> Option<Node<'_>> {
    let count = u32::try_from(node.named_child_count()).ok()?;
    node.named_child(count.checked_sub(1)?)
}

/// Returns what a call calls, such as `client.get`.
pub(super) fn callee(node: Node<'_>, text: &str) -> Option<String> {
    if node.kind() == "method_invocation" {
        let name = text_of(node.child_by_field_name("name")?, text);
        return Some(match node.child_by_field_name("object") {
            Some(object) => format!("{}.{name}", path(object, text).unwrap_or_default()),
            None => name.to_owned(),
        });
    }
    let function = field(node, &["function", "constructor", "type", "macro"])?;
    path(function, text).or_else(|| {
        let member = field(function, &["attribute", "property", "field", "name"])?;
        Some(format!(".{}", text_of(member, text)))
    })
}

/// Returns the object whose method a call calls.
pub(super) fn receiver(node: Node<'_>) -> Option<Node<'_>> {
    if node.kind() == "method_invocation" {
        return node.child_by_field_name("object");
    }
    let function = field(node, &["function"])?;
    field(function, &["object", "operand", "value", "argument"])
}

/// Returns the names that a pattern binds.
pub(super) fn bound(node: Node<'_>, text: &str) -> Vec<String> {
    let mut names = Vec::new();
    collect(node, text, &mut names, 0);
    names
}

fn collect(node: Node<'_>, text: &str, names: &mut Vec<String>, depth: usize) {
    if let Some(path) = path(node, text) {
        names.push(path);
        return;
    }
    if depth > LONGEST {
        return;
    }
    if node.kind() == "shorthand_property_identifier_pattern" {
        names.push(text_of(node, text).to_owned());
    }
    let mut cursor = node.walk();
    for child in node.named_children(&mut cursor) {
        collect(child, text, names, depth + 1);
    }
}
