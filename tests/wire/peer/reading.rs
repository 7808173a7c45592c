//! What a peer makes of each frame that arrives.

use super::*;

impl Peer {
    pub(super) async fn take(&mut self, frame: Frame) {
        let Frame {
            kind,
            flags,
            stream,
            payload,
        } = frame;
        match kind {
            DATA => {
                if self.refill && !payload.is_empty() {
                    self.give(0, payload.len() as u32).await;
                    if flags & END_STREAM == 0 {
                        self.give(stream, payload.len() as u32).await;
                    }
                }
                let data = if flags & PADDED == 0 {
                    payload
                } else {
                    payload.slice(1..payload.len() - usize::from(payload[0]))
                };
                self.push(stream, Event::Data(data, flags & END_STREAM != 0));
            }
            HEADERS | CONTINUATION => {
                let (_, first, block) = self
                    .block
                    .get_or_insert_with(|| (stream, flags, BytesMut::new()));
                block.extend_from_slice(&payload);
                if flags & END_HEADERS != 0 {
                    let end = *first & END_STREAM != 0;
                    let list = self
                        .decoder
                        .decode(block)
                        .expect("a block that can be read");
                    self.block = None;
                    if !self.events.contains_key(&stream) && stream % 2 == self.first_opened {
                        self.opened.push_back(stream);
                    }
                    self.push(stream, Event::Headers(list, end));
                }
            }
            RST_STREAM => {
                let code = u32::from_be_bytes(payload[..4].try_into().expect("a code"));
                self.push(stream, Event::Reset(code));
            }
            SETTINGS if flags & ACK == 0 => {
                for entry in payload.chunks_exact(6) {
                    let id = u16::from_be_bytes([entry[0], entry[1]]);
                    let value = u32::from_be_bytes(entry[2..].try_into().expect("a value"));
                    if id == 4 {
                        for room in self.stream_room.values_mut() {
                            *room += i64::from(value) - self.initial_room;
                        }
                        self.initial_room = i64::from(value);
                    }
                    self.settings.insert(id, value);
                }
                self.send(SETTINGS, ACK, 0, &[]).await;
            }
            PING if flags & ACK == 0 => {
                self.send(PING, ACK, 0, &payload).await;
            }
            PING => self.pongs += 1,
            GOAWAY => {
                let word =
                    |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().expect("a word"));
                self.goaway = Some((word(0), word(4)));
            }
            WINDOW_UPDATE => {
                let more = u32::from_be_bytes(payload[..4].try_into().expect("a size"));
                if stream == 0 {
                    self.room += i64::from(more);
                } else {
                    *self.stream_room.entry(stream).or_insert(self.initial_room) += i64::from(more);
                }
            }
            _ => {}
        }
    }

    fn push(&mut self, stream: u32, event: Event) {
        self.events.entry(stream).or_default().push_back(event);
    }
}
