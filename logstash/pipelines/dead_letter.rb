# The one form of a dead letter, as shipper writes and reads it (shipper/kafka/dead_letters.py).

require "base64"
require "digest"
require "json"

module DeadLetter
  DETAIL_CHARACTERS = 2000

  # Puts the line for the dead-letter topic into the event's metadata.
  #
  # refusal: reason (one word), detail (a sentence), at (RFC 3339)
  # ids:     event_id, dataset, index; as far as they are known, else ""
  # payload: the record's value, as it was
  def self.write(event, refusal, ids, payload)
    kafka = event.get("[@metadata][kafka]") || {}
    letter = {
      "dead_letter" => {
        "reason" => refusal[:reason],
        "detail" => refusal[:detail].to_s.scrub("?")[0, DETAIL_CHARACTERS],
        "hop" => "logstash",
        "at" => refusal[:at],
        "position" => "#{kafka['topic']}/#{kafka['partition']}@#{kafka['offset']}",
        "payload_bytes" => payload.bytesize,
        "payload_sha256" => Digest::SHA256.hexdigest(payload)
      },
      "event_id" => ids[:event_id].to_s.scrub("?"),
      "dataset" => ids[:dataset].to_s.scrub("?"),
      "index" => ids[:index].to_s,
      "payload_base64" => Base64.strict_encode64(payload)
    }
    event.set("[@metadata][dead_letter]", JSON.generate(letter))
    event.set("[@metadata][event_id]", letter["event_id"])
    event
  end

  # The record's bytes: the input made each of them one character.
  def self.bytes(text)
    text.to_s.encode(Encoding::ISO_8859_1)
  end
end
