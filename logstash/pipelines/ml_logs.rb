# The guard and the router of the pipeline ml-logs: one Kafka record in, one document or one dead letter out.
#
# It keeps the rules of `shipper index` (shipper/index/document.py); logstash/tests/ holds cases that both
# must answer alike. Nothing but the document itself decides where it goes: a header may be forged or stale.
#
# In:   [message]                    the record's value, each byte as one character (ISO-8859-1)
#       [@metadata][kafka]           topic, partition, offset and headers of the record
# Out:  [@metadata][index], [id]     where the document goes; the event is the document
#   or  [@metadata][dead_letter]     the line for the dead-letter topic

require "date"
require "json"
require File.join(__dir__, "dead_letter")

TIMESTAMP = /\A(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):?(\d\d))\z/
NAMESPACE = /\A[a-z0-9_]{1,100}\z/
ID_MAX_BYTES = 512
# Deeper nesting than this is nobody's log; the parser refuses it instead of running out of stack.
NESTING_MAX = 500

class Refused < StandardError
  attr_reader :reason, :index

  def initialize(reason, detail, index = "")
    super(detail)
    @reason = reason
    @index = index
  end
end

# script_params of the pipeline:
#   schema         path of schema.json, generated from schema/*.yml
#   namespace      for documents that do not name one
#   past_limit_days, future_limit_s   how far event times may lie from now
#   now            a fixed time for tests; empty: the clock
def register(params)
  schema = JSON.parse(File.read(params["schema"]))
  @required = schema.fetch("required")
  @periods = schema.fetch("periods")
  @namespace = params["namespace"]
  @past_us = (params["past_limit_days"].to_f * 86_400_000_000).to_i
  @future_us = (params["future_limit_s"].to_f * 1_000_000).to_i
  @fixed_now_us = params["now"].to_s.empty? ? nil : parse_time(params["now"])[0]
end

def filter(event)
  payload = DeadLetter.bytes(event.get("message")).force_encoding(Encoding::UTF_8)
  header_id = event.get("[@metadata][kafka][headers][event.id]")
  document = {}
  begin
    document = parse(payload)
    index = place(document)
    [document_event(event, document, index)]
  rescue Refused => refused
    [dead_letter_event(event, payload, document, header_id, refused)]
  rescue StandardError => error
    # Whatever Logstash itself cannot hold: refused like the rest, never lost, never stuck.
    [dead_letter_event(event, payload, document, header_id, Refused.new("json", "not representable: #{error.message}"))]
  end
end

def now_us
  @fixed_now_us || Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)
end

def iso(time_us)
  Time.at(time_us / 1_000_000, time_us % 1_000_000, :microsecond).utc.strftime("%Y-%m-%dT%H:%M:%S.%6NZ")
end

def parse(payload)
  raise Refused.new("json", "not valid UTF-8") unless payload.valid_encoding?
  document = JSON.parse(payload, max_nesting: NESTING_MAX)
  raise Refused.new("json", "not a JSON object") unless document.is_a?(Hash)
  document
rescue JSON::ParserError => error
  raise Refused.new("json", "not valid JSON: #{error.message[0, 200]}")
end

# A field, written nested or (as other ECS libraries write some of them) with a dotted key.
def value(document, name)
  nested = name.split(".").reduce(document) { |inner, part| inner.is_a?(Hash) ? inner[part] : nil }
  nested.nil? ? document[name] : nested
end

def text(document, name)
  found = value(document, name)
  found.is_a?(String) ? found : nil
end

# The index of a document, after all checks; in the order of shipper's indexer.
def place(document)
  missing = @required.select { |name| value(document, name).nil? }
  raise Refused.new("schema", "required fields are missing: #{missing.join(', ')}") unless missing.empty?
  check_id(text(document, "event.id"))
  dataset = text(document, "event.dataset").to_s
  period = @periods[dataset]
  raise Refused.new("dataset", "the dataset '#{dataset}' is not declared") if period.nil?
  namespace = text(document, "data_stream.namespace") || @namespace
  raise Refused.new("schema", "data_stream.namespace does not fit an index name") unless NAMESPACE.match?(namespace)
  time_us, day = parse_time(text(document, "@timestamp"))
  index = "logs-#{dataset}-#{namespace}-#{day.strftime(period == 'month' ? '%Y.%m.01' : '%Y.%m.%d')}"
  check_clock(time_us, index)
  raise Refused.new("schema", "event is not an object") unless document.fetch("event", {}).is_a?(Hash)
  index
end

def check_id(event_id)
  return unless event_id.nil? || event_id.empty? || event_id.bytesize > ID_MAX_BYTES
  raise Refused.new("id", "event.id must be a text of 1 to #{ID_MAX_BYTES} bytes")
end

def check_clock(time_us, index)
  ahead_us = time_us - now_us
  raise Refused.new("clock", "@timestamp lies #{ahead_us / 1_000_000} s ahead of the clock", index) if ahead_us > @future_us
  raise Refused.new("clock", "@timestamp lies #{-ahead_us / 86_400_000_000} days in the past", index) if -ahead_us > @past_us
end

# Microseconds since the epoch, and the moment in UTC. Done by hand, since the date filter cuts off
# microseconds and Ruby's own parsers take the 30th of February for the 2nd of March.
def parse_time(given)
  match = TIMESTAMP.match(given.to_s)
  raise Refused.new("schema", "@timestamp is not RFC 3339 with a zone") if match.nil?
  year, month, day, hour, minute, second = match[1..6].map(&:to_i)
  offset_hours, offset_minutes = match[9].to_i, match[10].to_i
  unless Date.valid_date?(year, month, day) && hour < 24 && minute < 60 && second < 60 && offset_hours < 24 && offset_minutes < 60
    raise Refused.new("schema", "@timestamp is no date")
  end
  offset_s = (offset_hours * 60 + offset_minutes) * (match[8] == "-" ? -60 : 60)
  moment = Time.utc(year, month, day, hour, minute, second) - offset_s
  [moment.to_i * 1_000_000 + match[7].to_s.ljust(6, "0")[0, 6].to_i, moment, match[7].to_s]
end

# The document as an event of its own: without message, tags, host or version of Logstash's.
def document_event(event, document, index)
  _, moment, fraction = parse_time(text(document, "@timestamp"))
  # Logstash may not know the given way of writing the time; it knows this one, and keeps its digits.
  document["@timestamp"] = moment.strftime("%Y-%m-%dT%H:%M:%S") + (fraction.empty? ? "" : ".#{fraction}") + "Z"
  inner = { "id" => text(document, "event.id") }.merge(document["event"] || {})
  document.delete("event.id")
  document.delete("event.ingested")
  # A text, not a time of Logstash's, which would drop the noughts at the end.
  document["event"] = inner.merge("ingested" => iso(now_us))
  has_version = document.key?("@version")
  stored = LogStash::Event.new(document)
  stored.remove("@version") unless has_version
  stored.set("[@metadata][kafka]", event.get("[@metadata][kafka]"))
  stored.set("[@metadata][index]", index)
  stored.set("[@metadata][id]", inner["id"])
  # Kept whole for the case that Elasticsearch refuses the document (pipeline ml-logs-refused).
  stored.set("[@metadata][payload]", event.get("message"))
  stored
end

def dead_letter_event(event, payload, document, header_id, refused)
  DeadLetter.write(
    event,
    { reason: refused.reason, detail: refused.message, at: iso(now_us) },
    { event_id: text(document, "event.id") || header_id, dataset: text(document, "event.dataset"), index: refused.index },
    payload
  )
end
