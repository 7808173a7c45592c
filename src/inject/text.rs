//! The commands of a shell's text, as far as they can be read without running it. Source: POSIX
//! shell command language, sections 2.2 (quoting) to 2.9 (commands), and what bash adds to it.

use std::iter::Peekable;
use std::str::Chars;

/// What a text holds.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// The words of each command, without quotes and redirections. What only the shell knows, as
    /// `$A` and `$(date)`, stands as it is written.
    pub(super) commands: Vec<Vec<String>>,
    /// What is written into files or handed on: here-documents.
    pub(super) documents: Vec<String>,
    /// Whether it defines functions, of which `$@` has words of its own.
    pub(super) has_functions: bool,
}

/// Reads a text. Never fails: what is not closed ends with the text.
pub(super) fn read(text: &str) -> Text {
    let mut reader = Reader {
        chars: text.chars().peekable(),
        text: Text::default(),
        words: Vec::new(),
        word: None,
        next: Next::Word,
        delimiters: Vec::new(),
    };
    reader.run();
    reader.text
}

/// What the next word is.
enum Next {
    Word,
    /// The file of a redirection.
    File,
    /// The line that ends a here-document.
    Delimiter,
}

struct Reader<'t> {
    chars: Peekable<Chars<'t>>,
    text: Text,
    words: Vec<String>,
    word: Option<String>,
    next: Next,
    /// Here-documents that begin with the next line.
    delimiters: Vec<String>,
}

impl Reader<'_> {
    fn run(&mut self) {
        while let Some(c) = self.chars.next() {
            match c {
                '\\' => match self.chars.next() {
                    Some('\n') | None => {}
                    Some(c) => self.push(c),
                },
                '\'' => self.quoted(),
                '"' => self.double_quoted(),
                '$' | '`' => self.expansion(c),
                '<' | '>' if self.chars.peek() == Some(&'(') => {
                    self.push(c);
                    self.nested('(', ')');
                }
                '<' | '>' => self.redirection(c),
                '&' if self.chars.peek() == Some(&'>') => self.end_word(),
                '#' if self.word.is_none() => while self.chars.next_if(|c| *c != '\n').is_some() {},
                '(' if self.word.is_some() && self.chars.next_if_eq(&')').is_some() => {
                    self.text.has_functions = true;
                    self.word = None;
                    self.end_command();
                }
                '\n' => {
                    self.end_command();
                    self.documents();
                }
                ';' | '&' | '|' | '(' | ')' => self.end_command(),
                c if c.is_whitespace() => self.end_word(),
                c => self.push(c),
            }
        }
        self.end_command();
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        match std::mem::replace(&mut self.next, Next::Word) {
            Next::Word => self.words.push(word),
            Next::File => {}
            Next::Delimiter => self.delimiters.push(word),
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.next = Next::Word;
        let words = std::mem::take(&mut self.words);
        self.text.has_functions |= words.first().is_some_and(|word| word == "function");
        if !words.is_empty() {
            self.text.commands.push(words);
        }
    }

    fn quoted(&mut self) {
        self.word.get_or_insert_default();
        while let Some(c) = self.chars.next_if(|c| *c != '\'') {
            self.push(c);
        }
        self.chars.next();
    }

    fn double_quoted(&mut self) {
        self.word.get_or_insert_default();
        while let Some(c) = self.chars.next() {
            match c {
                '"' => return,
                '\\' => match self.chars.next() {
                    Some('\n') | None => {}
                    Some(c @ ('$' | '`' | '"' | '\\')) => self.push(c),
                    Some(c) => {
                        self.push('\\');
                        self.push(c);
                    }
                },
                '$' | '`' => self.expansion(c),
                c => self.push(c),
            }
        }
    }

    /// `$(…)`, `${…}` and `` `…` `` to their end; of `$A` the first sign.
    fn expansion(&mut self, first: char) {
        self.push(first);
        match (first, self.chars.peek()) {
            ('`', _) => {
                while let Some(c) = self.chars.next() {
                    self.push(c);
                    if c == '`' {
                        return;
                    }
                }
            }
            (_, Some('(')) => self.nested('(', ')'),
            (_, Some('{')) => self.nested('{', '}'),
            _ => {}
        }
    }

    /// From `open` to the `close` that belongs to it.
    fn nested(&mut self, open: char, close: char) {
        let (mut depth, mut quote) = (0_usize, None);
        while let Some(c) = self.chars.next() {
            self.push(c);
            match (quote, c) {
                (None | Some('"'), '\\') => {
                    if let Some(c) = self.chars.next() {
                        self.push(c);
                    }
                }
                (Some(of), c) if c == of => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some(c),
                (None, c) if c == open => depth += 1,
                (None, c) if c == close => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return;
                    }
                }
                (None, _) => {}
            }
        }
    }

    /// `2>&1`, `&>log`, `<<-END`: none of it is a word of the command.
    fn redirection(&mut self, first: char) {
        // The number before it is a file's.
        if self
            .word
            .as_ref()
            .is_some_and(|word| word.bytes().all(|b| b.is_ascii_digit()))
        {
            self.word = None;
        }
        self.end_word();
        let second = self.chars.next_if(|c| ['<', '>', '&', '|'].contains(c));
        let is_document = first == '<' && second == Some('<');
        // `<<<` hands on one word.
        let is_word = is_document && self.chars.next_if_eq(&'<').is_some();
        self.next = if is_document && !is_word {
            self.chars.next_if_eq(&'-');
            Next::Delimiter
        } else {
            Next::File
        };
    }

    fn documents(&mut self) {
        for delimiter in std::mem::take(&mut self.delimiters) {
            let mut document = String::new();
            while self.chars.peek().is_some() {
                let mut line = String::new();
                while let Some(c) = self.chars.next_if(|c| *c != '\n') {
                    line.push(c);
                }
                self.chars.next();
                if line.trim_start_matches('\t') == delimiter {
                    break;
                }
                document.push_str(&line);
                document.push('\n');
            }
            self.text.documents.push(document);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_end_where_the_shell_ends_them() {
        for (text, commands) in [
            (
                "a 'b; c' && d \"e | \\\"f\" # don't; g\nh i \\\n  j;k|l&(m)\n\n# 'n",
                &[
                    &["a", "b; c"][..],
                    &["d", "e | \"f"],
                    &["h", "i", "j"],
                    &["k"],
                    &["l"],
                    &["m"],
                ][..],
            ),
            // What is not closed is no reason to see nothing.
            ("a \"b", &[&["a", "b"]]),
            ("a $(b 'c", &[&["a", "$(b 'c"]]),
            ("a#b \\", &[&["a#b"]]),
            (
                "a 2>&1 b &>/log c >|d e <f g 3<&- h",
                &[&["a", "b", "c", "e", "g", "h"]],
            ),
            (
                "a --b=/$(c; d \")\" $(e))/f `g; h` i",
                &[&["a", "--b=/$(c; d \")\" $(e))/f", "`g; h`", "i"]],
            ),
            (
                "a $((1 + (2*3))) ${b:-c d}e <(f; g) h",
                &[&["a", "$((1 + (2*3)))", "${b:-c d}e", "<(f; g)", "h"]],
            ),
            (
                "a \"\" '' \"$(b \"c;d\")\" e",
                &[&["a", "", "", "$(b \"c;d\")", "e"]],
            ),
            ("a <<<b c", &[&["a", "c"]]),
        ] {
            assert_eq!(read(text).commands, *commands, "{text}");
        }
    }

    #[test]
    fn documents_are_no_commands() {
        let found = read("cat > x <<'END' | b <<-E\nc; d\nEND\n\te\n\tE\nf");
        assert_eq!(found.commands, [&["cat"][..], &["b"], &["f"]]);
        assert_eq!(found.documents, ["c; d\n", "\te\n"]);
        assert_eq!(read("a <<E\nb").documents, ["b\n"]);
    }

    #[test]
    fn functions_are_seen() {
        assert!(read("f() { a \"$@\"; }; f b").has_functions);
        assert!(read("function f { a; }").has_functions);
        assert!(!read("a $(b) (c)").has_functions);
    }
}
