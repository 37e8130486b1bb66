# JSON as strict as the decoder of `shipper index`: no comments, no unknown escapes, no half surrogate pairs,
# nothing behind the end, and a name that is there twice is seen. Ruby's own parser lets all of these pass.
# Numbers with a fraction or an exponent keep every digit (as BigDecimal), also those beyond a double.
#
# It is the parser (Jackson) that Logstash itself brings along and writes its JSON with.

require "java"

module StrictJson
  # Deeper nesting, and longer numbers, are refused by `shipper index` as well. Some 250 levels end the stack of
  # Logstash where it writes JSON: the pipeline would die of one record, and again at each start.
  NESTING_MAX = 100
  NUMBER_DIGITS_MAX = 4300
  TEXT_CHARACTERS_MAX = 2**31 - 1
  ESCAPE = /\\(?:u([0-9a-fA-F]{4})|.)/m

  JavaMap = java.util.Map
  JavaList = java.util.List
  Core = Java::ComFasterxmlJacksonCore
  Databind = Java::ComFasterxmlJacksonDatabind

  class Invalid < StandardError; end
  class Twice < StandardError; end

  def self.mapper(forbids_twice)
    limits = Core::StreamReadConstraints.builder.max_nesting_depth(NESTING_MAX).max_number_length(NUMBER_DIGITS_MAX)
                                        .max_string_length(TEXT_CHARACTERS_MAX).max_name_length(TEXT_CHARACTERS_MAX).build
    factory = Core::JsonFactory.builder.stream_read_constraints(limits).build
    factory.enable(Core::JsonParser::Feature::STRICT_DUPLICATE_DETECTION) if forbids_twice
    # Every name of every document would be kept for the life of the process.
    factory.disable(Core::JsonFactory::Feature::INTERN_FIELD_NAMES)
    factory.disable(Core::JsonFactory::Feature::CANONICALIZE_FIELD_NAMES)
    made = Databind::ObjectMapper.new(factory)
    made.enable(Databind::DeserializationFeature::FAIL_ON_TRAILING_TOKENS)
    made.enable(Databind::DeserializationFeature::USE_BIG_DECIMAL_FOR_FLOATS)
    made
  end

  EACH_NAME_ONCE = mapper(true)
  ANY_NAMES = mapper(false)
  OBJECT = java.lang.Object.java_class

  # The value of a text in UTF-8, of Java's types; an object is a java.util.Map.
  #
  # Raises Invalid, or Twice (only if `forbids_twice`): a name is twice in one object.
  def self.parse(text, forbids_twice: true)
    raise Invalid, "not valid UTF-8" unless text.valid_encoding?
    raise Invalid, "half of a surrogate pair" if text.include?("\\u") && half_pair?(text)
    (forbids_twice ? EACH_NAME_ONCE : ANY_NAMES).read_value(text.to_java(:string), OBJECT)
  rescue Core::JsonProcessingException => error
    said = error.original_message.to_s
    raise Twice, said if forbids_twice && said.start_with?("Duplicate field")
    raise Invalid, "not valid JSON: #{said[0, 200]}"
  rescue Java::JavaLang::StackOverflowError, Java::JavaLang::NumberFormatException => error
    raise Invalid, "not valid JSON: #{error.class}"
  end

  # Whether an escape names one half of a pair without the other.
  def self.half_pair?(text)
    is_open = false
    last_end = nil
    text.scan(ESCAPE) do
      match = Regexp.last_match
      code = match[1] ? match[1].hex : 0
      follows = is_open && match.begin(0) == last_end
      return true if is_open && !(follows && code.between?(0xDC00, 0xDFFF))
      return true if !is_open && code.between?(0xDC00, 0xDFFF)
      is_open = code.between?(0xD800, 0xDBFF)
      last_end = match.end(0)
    end
    is_open
  end
end
