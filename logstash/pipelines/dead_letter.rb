# The one form of a dead letter, as shipper writes and reads it (shipper/kafka/dead_letters.py).

require "base64"
require "digest"
require "json"

module DeadLetter
  DETAIL_CHARACTERS = 2000
  # A larger payload is cut to this: better a part and the digest than a letter that no topic takes (bytes).
  CUT_BYTES = 256 << 10
  ENVELOPE_BYTES = 16 << 10

  # The line for the dead-letter topic.
  #
  # refusal    reason (one word), detail (a sentence), at (RFC 3339), and as far as they are known event_id,
  #            dataset, index; with names of text, since it may come out of a queue on disk
  # position   [topic, partition, offset] of the record
  # payload    the record's value, as it was
  # max_bytes  the largest letter that its topic takes
  def self.line(refusal, position, payload, max_bytes)
    topic, partition, offset = position
    about = {
      "reason" => refusal["reason"],
      "detail" => clean(refusal["detail"])[0, DETAIL_CHARACTERS],
      "hop" => "logstash",
      "at" => refusal["at"],
      "position" => "#{topic}/#{partition}@#{offset}",
      "payload_bytes" => payload.bytesize,
      "payload_sha256" => Digest::SHA256.hexdigest(payload)
    }
    if payload.bytesize * 4 / 3 + ENVELOPE_BYTES > max_bytes
      payload = payload.byteslice(0, CUT_BYTES)
      about["payload_truncated"] = true
    end
    JSON.generate(
      "dead_letter" => about,
      "event_id" => clean(refusal["event_id"]),
      "dataset" => clean(refusal["dataset"]),
      "index" => clean(refusal["index"]),
      "payload_base64" => Base64.strict_encode64(payload)
    )
  end

  # The bytes of a record. The Kafka input made each of them one character; any other input has read text already.
  def self.bytes(event, text)
    text = text.to_s
    return text.b if event.get("[@metadata][kafka][topic]").nil?
    text.encode(Encoding::ISO_8859_1).b
  rescue EncodingError
    text.b
  end

  def self.clean(text)
    text.to_s.encode(Encoding::UTF_8, invalid: :replace, undef: :replace).scrub("?")
  end
end
