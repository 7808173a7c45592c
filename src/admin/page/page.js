(function(){
"use strict";
// Fetches the same page and swaps what changes. Not while the tab is hidden or text is selected;
// the keyboard's place, open details and scroll positions survive.
var main=document.getElementById("main"),lead=document.getElementById("lead"),stale=document.getElementById("stale");
function each(list,f){Array.prototype.forEach.call(list,f);}
function key(e){return e&&e.getAttribute?e.getAttribute("data-key"):null;}
function find(k){return k?main.querySelector('[data-key="'+k+'"]'):null;}
function say(node,text){if(node.textContent!==text){node.textContent=text;}}
function buttons(){
  each(main.querySelectorAll("code.copy"),function(code){
    var b=document.createElement("button");
    b.type="button";b.className="copy";b.textContent="Copy";
    b.setAttribute("data-key",key(code)+"-button");
    b.setAttribute("aria-label","Copy the command");
    code.after(" ",b);
  });
}
// Without a clipboard, as on plain HTTP beyond this machine, the command is selected instead.
function copied(b,code){
  function done(word){b.textContent=word;setTimeout(function(){b.textContent="Copy";},1500);}
  function select(){
    var range=document.createRange(),s=window.getSelection();
    range.selectNodeContents(code);s.removeAllRanges();s.addRange(range);
    // What stays selected holds up the page.
    if(document.execCommand("copy")){s.removeAllRanges();return done("Copied");}
    done("Selected");
  }
  if(!navigator.clipboard){return select();}
  navigator.clipboard.writeText(code.textContent).then(function(){done("Copied");},select);
}
function swap(fresh){
  var focused=key(document.activeElement),open={},scrolled={},place=document.activeElement===main;
  each(main.querySelectorAll("details[open]"),function(d){open[key(d)]=true;});
  each(main.querySelectorAll(".wide"),function(w){scrolled[key(w)]=w.scrollLeft;});
  main.replaceChildren.apply(main,Array.from(document.adoptNode(fresh.getElementById("main")).childNodes));
  each(main.querySelectorAll("details"),function(d){d.open=!!open[key(d)];});
  each(main.querySelectorAll(".wide"),function(w){w.scrollLeft=scrolled[key(w)]||0;});
  buttons();
  var back=place?main:find(focused);
  if(back){back.focus({preventScroll:true});}
  var now=fresh.getElementById("lead");
  lead.className=now.className;say(lead,now.textContent);
  document.title=fresh.title;
}
function busy(){var s=window.getSelection();return document.hidden||(s&&String(s).length>0);}
function refresh(){
  if(busy()){
    if(!document.hidden){say(stale,"Stands still while text is selected.");}
    return;
  }
  fetch("/",{cache:"no-store"}).then(function(r){return r.ok?r.text():Promise.reject();}).then(function(text){
    say(stale,"");
    if(!busy()){swap(new DOMParser().parseFromString(text,"text/html"));}
  }).catch(function(){say(stale,"Flatline does not answer; what stands here is old.");});
}
document.addEventListener("click",function(event){
  var b=event.target;
  if(b.matches&&b.matches("button.copy")){copied(b,b.previousElementSibling);}
});
buttons();
setInterval(refresh,2000);
})();
