//! What was meant where a script is not Lua: words and marks of other languages, and what people
//! forget, told from the line on which the compiler gave up.

/// What to write instead, from the compiler's message and the line it is about.
pub(super) fn hint(message: &str, line: &str) -> Option<&'static str> {
    let line = line.trim();
    let begins = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
    let near = message.rsplit_once("near '").and_then(|(_, near)| near.strip_suffix('\''));
    // It gave up at the first character of a mark, or at the second.
    let is_mark = |mark: &&&str| near.is_some_and(|near| mark.starts_with(near));
    let has = |marks: &[&str]| marks.iter().filter(is_mark).any(|mark| line.contains(mark));
    if begins(&["import ", "export ", "const ", "let ", "var ", "from ", "def ", "#include"]) {
        return Some("a script is Lua, such as `local http = require \"loadrun.http\"`");
    }
    if begins(&["//", "/*", "#"]) {
        return Some("a comment begins with `--`");
    }
    let is_key = |name: &str| line.contains(&format!(": {name}"));
    if has(&["for =", "for="]) {
        Some("`for` is a word of Lua; the key is `for_`")
    } else if near == Some("=") && begins(&["if ", "elseif ", "while ", "until "]) {
        Some("a comparison is `==`")
    } else if has(&["!="]) {
        Some("Lua writes `~=` for what is not equal")
    } else if has(&["+=", "-=", "*=", "/=", "++"]) {
        Some("Lua has no `+=`; write `x = x + 1`")
    } else if has(&["&&", "||"]) {
        Some("Lua writes `and` and `or`")
    } else if message.contains("<name> expected near") && near.is_some_and(is_key) {
        Some("a key is given its value with `=`")
    } else if message.contains("'}' expected") {
        Some("there may be a comma missing before it")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use mlua::Lua;

    use super::*;

    #[test]
    fn what_other_languages_write_is_told_in_lua() {
        let lua = Lua::new();
        for (text, expected) in [
            ("import http from 'k6/http';", Some("a script is Lua")),
            ("const x = 5", Some("a script is Lua")),
            ("// a comment", Some("`--`")),
            ("if x != 5 then end", Some("`~=`")),
            ("if x = 5 then end", Some("`==`")),
            ("x += 1", Some("`x = x + 1`")),
            ("i++", Some("`x = x + 1`")),
            ("if a && b then end", Some("`and`")),
            ("return { at = '1s', for = '2s' }", Some("`for_`")),
            ("return { users: 5 }", Some("with `=`")),
            ("return { 1 2 }", Some("a comma missing")),
            ("if true then", None),
            ("print('a != b += c && d: e') f(", None),
            ("return { 'for = x: y' 5", Some("a comma missing")),
        ] {
            let message = lua.load(text).into_function().unwrap_err().to_string();
            let found = hint(&message, text);
            let fits = found.is_some_and(|hint| hint.contains(expected.unwrap_or("?")));
            assert_eq!(fits, expected.is_some(), "{text}: {message}: {found:?}");
        }
    }
}
