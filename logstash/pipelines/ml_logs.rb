# The guard and the router of the pipeline ml-logs: one Kafka record in, one document or one refusal out.
#
# It keeps the rules of `shipper index` (shipper/index/document.py); logstash/tests/ holds cases that both
# must answer alike. Nothing but the document itself decides where it goes and under which id.
#
# In:   [message]                    the record's value, each byte as one character (ISO-8859-1)
#       [@metadata][kafka]           topic, partition and offset of the record
# Out:  [@metadata][index], [id]     where the document goes; the event is the document
#   or  [@metadata][refusal]         reason, detail ... for the pipeline ml-dead-letters; [message] as it was

require "date"
require "json"
require File.join(__dir__, "dead_letter")
require File.join(__dir__, "strict_json")

TIMESTAMP = /\A(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):?(\d\d))\z/
NAMESPACE = /\A[a-z0-9_]{1,100}\z/
ID_MAX_BYTES = 512
# What shipper writes begins so; a record that broke off later can still be named.
ID_AT_THE_HEAD = /\A\{"@timestamp":"[0-9T:.Z-]{27}","event":\{"id":"([!#-\[\]-~]{1,512})"/n
JavaMap = StrictJson::JavaMap

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
#   max_bytes      a larger record is refused
#   now            a fixed time for tests; empty: the clock
def register(params)
  schema = JSON.parse(File.read(params["schema"], encoding: "UTF-8"))
  @required = schema.fetch("required")
  @reserved = schema.fetch("reserved")
  @periods = schema.fetch("periods")
  @namespace = params["namespace"]
  @past_us = (params["past_limit_days"].to_f * 86_400_000_000).to_i
  @future_us = (params["future_limit_s"].to_f * 1_000_000).to_i
  @max_bytes = Integer(params["max_bytes"])
  @fixed_now_us = params["now"].to_s.empty? ? nil : parse_time(params["now"])[0]
end

def filter(event)
  payload = DeadLetter.bytes(event, event.get("message"))
  document = nil
  begin
    document, is_doubtful = parse(payload)
    index = place(document)
    raise Refused.new("mapping", "a field is there twice: #{is_doubtful}", index) if is_doubtful
    [document_event(event, document, index)]
  rescue Refused => refused
    [refused_event(event, payload, document, refused)]
  rescue StandardError => error
    # Whatever Logstash itself cannot hold: refused like the rest, never lost, never stuck.
    [refused_event(event, payload, document, Refused.new("json", "not representable: #{error.message}"))]
  end
end

def now_us
  @fixed_now_us || Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)
end

def iso(time_us)
  Time.at(time_us / 1_000_000, time_us % 1_000_000, :microsecond).utc.strftime("%Y-%m-%dT%H:%M:%S.%6NZ")
end

# The document, and nil or the words about a field that it has twice: Elasticsearch would refuse it, but only after
# everything that is checked here.
def parse(payload)
  raise Refused.new("too_large", "#{payload.bytesize} bytes, #{@max_bytes} are allowed") if payload.bytesize > @max_bytes
  text = payload.dup.force_encoding(Encoding::UTF_8)
  begin
    document, twice = StrictJson.parse(text), nil
  rescue StrictJson::Twice => error
    document, twice = StrictJson.parse(text, forbids_twice: false), error.message
  end
  raise Refused.new("json", "not a JSON object") unless document.is_a?(JavaMap)
  [document, twice]
rescue StrictJson::Invalid => error
  raise Refused.new("json", error.message)
end

# A field, written nested or (as other ECS libraries write some of them) with a dotted key.
def value(document, name)
  found = nested(document, name)
  found.nil? ? document.get(name) : found
end

def nested(document, name)
  name.split(".").reduce(document) { |inner, part| inner.is_a?(JavaMap) ? inner.get(part) : nil }
end

def text(document, name)
  found = value(document, name)
  found.is_a?(String) ? found : nil
end

# The index of a document, after all checks; in the order of shipper's indexer.
def place(document)
  missing = @required.select { |name| value(document, name).nil? }
  raise Refused.new("schema", "required fields are missing: #{missing.join(', ')}") unless missing.empty?
  reserved = @reserved.select { |name| document.contains_key(name) }
  raise Refused.new("schema", "reserved fields are there: #{reserved.join(', ')}") unless reserved.empty?
  check_id(text(document, "event.id"))
  dataset = text(document, "event.dataset").to_s
  namespace = check_place(document, dataset)
  time_us, day = parse_time(text(document, "@timestamp"))
  index = "logs-#{dataset}-#{namespace}-#{day.strftime(@periods[dataset] == 'month' ? '%Y.%m.01' : '%Y.%m.%d')}"
  check_clock(time_us, index)
  event = document.get("event")
  raise Refused.new("schema", "event is not an object", index) unless event.is_a?(JavaMap) || !document.contains_key("event")
  index
end

def check_id(event_id)
  return unless event_id.nil? || event_id.empty? || event_id.bytesize > ID_MAX_BYTES
  raise Refused.new("id", "event.id must be a text of 1 to #{ID_MAX_BYTES} bytes")
end

# The namespace, if dataset and namespace fit an index name and no field names another place. Elasticsearch takes a field
# that is there nested and with a dotted key, or in a list of objects, for one with several values.
def check_place(document, dataset)
  raise Refused.new("dataset", "the dataset '#{dataset}' is not declared") unless @periods.key?(dataset)
  namespace = value(document, "data_stream.namespace")
  namespace = @namespace if namespace.nil?
  unless namespace.is_a?(String) && NAMESPACE.match?(namespace)
    raise Refused.new("schema", "data_stream.namespace does not fit an index name")
  end
  stream = document.get("data_stream")
  raise Refused.new("schema", "data_stream is not an object") unless stream.nil? || stream.is_a?(JavaMap)
  wanted = { "event.dataset" => dataset, "data_stream.dataset" => dataset, "data_stream.namespace" => namespace }
  wanted.merge("data_stream.type" => "logs").each do |name, place|
    given = [nested(document, name), document.get(name)].compact
    raise Refused.new("schema", "#{name} is not #{place}") unless given.all?(place)
  end
  namespace
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
  # Our calendar for all years: Ruby's own leaves out ten days of 1582.
  is_day = year.positive? && Date.valid_date?(year, month, day, Date::GREGORIAN)
  is_time = hour < 24 && minute < 60 && second < 60 && offset_hours < 24 && offset_minutes < 60
  raise Refused.new("schema", "@timestamp is no date") unless is_day && is_time
  offset_s = (offset_hours * 60 + offset_minutes) * (match[8] == "-" ? -60 : 60)
  moment = Time.utc(year, month, day, hour, minute, second) - offset_s
  # In UTC it may lie before the first year, or behind the last.
  raise Refused.new("schema", "@timestamp is no date") unless moment.year.between?(1, 9999)
  [moment.to_i * 1_000_000 + match[7].to_s.ljust(6, "0")[0, 6].to_i, moment]
end

# The document as an event of its own: without message, tags, host or version of Logstash's.
def document_event(event, document, index)
  event_id = text(document, "event.id")
  inner = java.util.LinkedHashMap.new("id" => event_id)
  inner.put_all(document.get("event")) if document.contains_key("event")
  inner.put("ingested", iso(now_us))
  ["event.id", "event.ingested"].each { |name| document.remove(name) }
  document.put("event", inner)
  # An event of Logstash's would write these in its own way: a time without noughts at its end, tags as a list of
  # texts, a version. They are put in below, as they are.
  own = ["@timestamp", "@version", "tags"].select { |name| document.contains_key(name) }
  as_given = LogStash::Event.new("given" => own.to_h { |name| [name, document.remove(name)] })
  stored = LogStash::Event.new(document)
  stored.remove("@version")
  own.each { |name| stored.to_java.data.put(name, as_given.to_java.get_unconverted_field("[given][#{name}]")) }
  stored.set("[@metadata][kafka]", event.get("[@metadata][kafka]"))
  stored.set("[@metadata][index]", index)
  stored.set("[@metadata][id]", event_id)
  # Kept whole for the case that Elasticsearch refuses the document (pipeline ml-dead-letters).
  stored.set("[@metadata][payload]", event.get("message"))
  stored
end

def refused_event(event, payload, document, refused)
  found = document.is_a?(JavaMap)
  event_id = found ? text(document, "event.id") : payload[ID_AT_THE_HEAD, 1]
  event.set(
    "[@metadata][refusal]",
    "reason" => refused.reason, "detail" => DeadLetter.clean(refused.message)[0, DeadLetter::DETAIL_CHARACTERS],
    "at" => iso(now_us), "event_id" => event_id.to_s, "dataset" => found ? text(document, "event.dataset").to_s : "",
    "index" => refused.index
  )
  event
end
